import type { Texts } from '../texts.ts'

/** The rules of reception (requirements.md, section 4) in words for those who put things right. */
export const findingTexts = {
  'DQ-02': [
    'Нет № карты: аппарат прислал пустое или условное значение. Впишите № карты пациента.',
    'No patient ID: the device sent none or a placeholder. Fill in the patient’s number.',
  ],
  'DQ-03': [
    'Нет имени пациента или вместо него условное слово. Впишите ФИО по документу.',
    'No patient name, or a placeholder. Fill in the name from a document.',
  ],
  'DQ-04 absent': ['Не указана дата рождения.', 'No birth date.'],
  'DQ-04 not a date': [
    'Дата рождения записана неверно. Впишите её по документу.',
    'The birth date is no date. Fill it in from a document.',
  ],
  'DQ-04 in the future': [
    'Дата рождения в будущем. Впишите верную.',
    'The birth date is in the future. Correct it.',
  ],
  'DQ-04 older than 120': [
    'Пациенту больше 120 лет. Проверьте год рождения.',
    'The patient is over 120. Check the year.',
  ],
  'DQ-05 absent': ['Не указан пол.', 'No sex given.'],
  'DQ-05': ['Пол записан не по стандарту: {detail}.', 'The sex is not a standard value: {detail}.'],
  'DQ-06': [
    'Непонятно, какими буквами записан текст. Ответить может администратор МО: «Вопросы о кодировке».',
    'It is unclear how the text is encoded. The administrator can answer it: “Encoding questions”.',
  ],
  'DQ-06 note': [
    'Кодировка текста определена: {detail}.',
    'The encoding was determined: {detail}.',
  ],
  'DQ-07': [
    'Код записан русскими буквами ({tag}). Прочитан по словарю или оставлен как есть.',
    'A code in Cyrillic ({tag}), read by the dictionary or left as it is.',
  ],
  'DQ-12': [
    'Время снимка расходится с временем приёма {detail}. Если снимок новый, проверьте часы аппарата.',
    'The time of the image and of its receipt differ by {detail}. If it is new, check the device’s clock.',
  ],
  'DQ-13': [
    'Часовой пояс не указан; взят пояс аппарата.',
    'No time zone; the device’s own was taken.',
  ],
  'DQ-14': [
    'Модальность не та, что у аппарата: {detail}.',
    'A modality that this device should not send: {detail}.',
  ],
  'DQ-15': [
    'Снимок не откалиброван: измерения в мм недоступны.',
    'Not calibrated: no measuring in mm.',
  ],
  'DQ-16': [
    'Снимок повреждён: размер данных не тот. Если на аппарате он цел, отправьте ещё раз.',
    'A damaged image: wrong size. If it is sound at the device, send it again.',
  ],
  'DQ-17': [
    'На самом снимке может быть текст с данными пациента: не отдавайте его как обезличенный.',
    'The pixels may show patient data: do not treat it as de-identified.',
  ],
  'DQ-20': ['Нет дозы облучения.', 'No dose.'],
  findingOther: ['Правило приёма {code}: {detail}', 'Rule of reception {code}: {detail}'],
  minutesOff: ['на {n} мин', '{n} min'],
  daysOff: ['на {n} дн', '{n} days'],
} as const satisfies Texts
