import type { Key } from '../i18n/i18n.ts'
import type { ObjectKind } from '../imaging/object-kind.ts'
import type { OtherObject } from '../imaging/stacks.ts'
import { useTranslation } from '../parts/app-context.ts'
import { Message } from '../parts/message.tsx'

const keys: { [K in ObjectKind]: readonly [Key, Key] } = {
  image: ['objectImage', 'objectImageText'],
  report: ['objectReport', 'objectReportText'],
  keyObjects: ['objectKeyObjects', 'objectKeyObjectsText'],
  presentation: ['objectPresentation', 'objectPresentationText'],
  pdf: ['objectPdf', 'objectPdfText'],
  document: ['objectDocument', 'objectDocumentText'],
  waveform: ['objectWaveform', 'objectWaveformText'],
  structures: ['objectStructures', 'objectStructuresText'],
  plan: ['objectPlan', 'objectPlanText'],
  registration: ['objectRegistration', 'objectRegistrationText'],
  video: ['objectVideo', 'objectVideoText'],
  spectroscopy: ['objectSpectroscopy', 'objectSpectroscopyText'],
  parametric: ['objectParametric', 'objectParametricText'],
  annotations: ['objectAnnotations', 'objectAnnotationsText'],
  other: ['objectOther', 'objectOtherText'],
}

export const objectTitle = (kind: ObjectKind, t: ReturnType<typeof useTranslation>['t']): string =>
  t(keys[kind][0])

/** In the place of the image, for an object that has none. */
export function ObjectPanel({ object }: { object: OtherObject }) {
  const { t } = useTranslation()
  const [title, text] = keys[object.kind]
  return <Message icon="document" title={t(title)} text={t(text)} />
}
