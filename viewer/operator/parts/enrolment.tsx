import { useState } from 'preact/hooks'
import { useTexts } from '../desk.ts'
import type { Key } from '../texts/texts.ts'

type Given = { oid: string; name: string; isOperator: boolean }
type Step = { title: Key; command?: string; isOperators: boolean }

/** As it is typed in a shell: nothing in a name may end the quotation. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

const stepsOf = (oid: string, name: string): Step[] => [
  {
    title: 'enrolStepKey',
    command: 'npm run certs -- node-key --out node.jwk',
    isOperators: false,
  },
  {
    title: 'enrolStepChallenge',
    command: `npm run certs -- challenge --oid ${oid} --key node.jwk.pub --out challenge.json`,
    isOperators: true,
  },
  {
    title: 'enrolStepProve',
    command: 'npm run certs -- prove --key node.jwk --challenge challenge.json --out proof.jwt',
    isOperators: false,
  },
  {
    title: 'enrolStepCredential',
    command: `npm run certs -- credential --issuer issuing.jwk --oid ${oid} --name ${quoted(name)} --key node.jwk.pub --challenge challenge.json --proof proof.jwt --digits "00000 00000 00000 00000 00000 00000" --out credential.jwt`,
    isOperators: true,
  },
  { title: 'enrolStepPublish', isOperators: true },
]

/** Each side's commands, ready to be copied; the other side's steps are named, so that both know who waits for whom. */
export function Enrolment({ oid, name, isOperator }: Given) {
  const { t } = useTexts()
  return (
    <details class="enrolment" data-testid="enrolment">
      <summary>{t('enrolment')}</summary>
      <p class="muted">{t(isOperator ? 'enrolmentOperator' : 'enrolmentOwn')}</p>
      {stepsOf(oid, name).map(({ title, command, isOperators }) => (
        <div key={title}>
          <p>{t(title)}</p>
          {command !== undefined && isOperators === isOperator && <Command text={command} />}
        </div>
      ))}
    </details>
  )
}

function Command({ text }: { text: string }) {
  const { t } = useTexts()
  const [isCopied, setCopied] = useState(false)
  // Without the permission the text can still be selected by hand.
  const copy = () =>
    navigator.clipboard.writeText(text).then(
      () => setCopied(true),
      () => setCopied(false),
    )
  return (
    <>
      <code data-testid="command">{text}</code>{' '}
      <button type="button" class="button small" onClick={() => void copy()}>
        {t(isCopied ? 'copied' : 'copy')}
      </button>
    </>
  )
}
