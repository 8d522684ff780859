import { z } from 'zod'

/** Types of apparatus (vocabulary, section 5): what they are called and which DICOM modalities they may send. */
export const deviceTypes = {
  ct: { name: 'КТ', modalities: ['CT', 'SR'] },
  mr: { name: 'МРТ', modalities: ['MR'] },
  radiography: { name: 'Рентгенография', modalities: ['CR', 'DX'] },
  fluorography: { name: 'Флюорография', modalities: ['DX', 'CR', 'RF', 'OT', 'RG'] },
  mammography: { name: 'Маммография', modalities: ['MG'] },
  fluoroscopy: { name: 'Рентгеноскопия', modalities: ['RF'] },
  angiography: { name: 'Ангиография', modalities: ['XA'] },
  c_arm: { name: 'С-дуга', modalities: ['XA', 'RF'] },
  us: { name: 'УЗИ', modalities: ['US', 'IVUS', 'SR'] },
  pet: { name: 'ПЭТ, ПЭТ/КТ', modalities: ['PT', 'CT'] },
  nm: { name: 'Сцинтиграфия, ОФЭКТ', modalities: ['NM'] },
  bmd: { name: 'Денситометрия', modalities: ['BMD', 'DX', 'OT'] },
  dental_px: { name: 'Ортопантомография', modalities: ['PX'] },
  dental_io: { name: 'Радиовизиография', modalities: ['IO'] },
  cbct: { name: 'КЛКТ', modalities: ['CT'] },
  endoscopy: { name: 'Эндоскопия', modalities: ['ES'] },
  ecg: { name: 'ЭКГ, функциональная диагностика', modalities: ['ECG', 'HC'] },
  digitizer: { name: 'Оцифровщик плёнки', modalities: ['SC', 'OT', 'CR', 'DX'] },
  media_import: { name: 'Импорт с носителя', modalities: ['OT'] },
  other: { name: 'Другое', modalities: ['OT'] },
} as const

export type DeviceType = keyof typeof deviceTypes
export const DeviceType = z.enum(Object.keys(deviceTypes) as [DeviceType, ...DeviceType[]], {
  error: 'Выберите тип аппарата из списка.',
})
