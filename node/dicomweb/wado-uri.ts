import { ProtocolError } from '#protocol/errors.ts'
import type { Context } from './answer.ts'
import { instanceForm } from './negotiation.ts'
import { entriesOf, filesAnswer, type Readers, withStudy } from './retrieve.ts'

/**
 * One instance by query parameters (PS3.18 §9), which older viewers still use. Only `application/dicom` is given;
 * without a wish it is too, although the standard would render a JPEG then.
 */
export async function retrieveByUri(ctx: Context, doors: Readers): Promise<void> {
  const parameters = ctx.URL.searchParams
  if (parameters.get('requestType') !== 'WADO') {
    throw new ProtocolError('bad_request', 'requestType must be WADO')
  }
  if (parameters.get('anonymize') !== null) {
    throw new ProtocolError('not_acceptable', 'instances are given as they are stored')
  }
  ctx.params = {
    study: parameters.get('studyUID') ?? '',
    series: parameters.get('seriesUID') ?? '',
    sop: parameters.get('objectUID') ?? '',
  }
  const types = parameters.get('contentType') ?? '*/*'
  const syntax = parameters.get('transferSyntax')
  const accept = types
    .split(',')
    .map((type) => (type.trim() === '*/*' ? 'application/dicom' : type.trim()))
    .map((type) => (syntax === null ? type : `${type}; transfer-syntax=${syntax}`))
    .join(',')
  await withStudy(ctx, doors, async (opened) => {
    const entries = await entriesOf(opened)
    const form = instanceForm(
      accept,
      entries.map(({ transferSyntax }) => transferSyntax),
    )
    return filesAnswer(opened, entries, form)
  })
}
