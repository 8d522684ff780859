import type { Texts } from '../texts.ts'

export const frameTexts = {
  correction: ['Требует исправления', 'Needs correction'],
  duplicates: ['Дубли пациентов', 'Duplicate patients'],
  encodings: ['Вопросы о кодировке', 'Encoding questions'],
  quarantine: ['Карантин', 'Quarantine'],
  history: ['Журнал исправлений', 'Correction log'],
  referrals: ['Направления', 'Referrals'],
  media: ['Загрузка с диска', 'Import from disc'],
  devices: ['Аппараты', 'Devices'],
  sending: ['Очередь отправки', 'Sending queue'],
  access: ['Доступ других МО (форма № 5)', 'Access of others (form 5)'],

  reason: ['Причина', 'Reason'],
  reasonOwn: ['Выберите выше или напишите своими словами', 'Choose above or write your own'],
  basis: ['Основание (документ), если есть', 'Basis (document), if any'],
  basisHint: [
    'Например: паспорт, направление № 125, распоряжение',
    'For example: passport, referral 125, order',
  ],
  undo: ['Отменить', 'Undo'],
  undone: ['Отменено: всё как было.', 'Undone: everything is as it was.'],
  undoReason: ['Отмена ошибочного действия', 'Undoing a mistake'],
  save: ['Сохранить', 'Save'],
  saving: ['Сохраняем…', 'Saving…'],
  cancel: ['Не сохранять', 'Do not save'],
  edit: ['Изменить', 'Change'],
  noValue: ['не указано', 'not given'],
  showMore: ['Показать ещё', 'Show more'],
  received: ['Получено {at}', 'Received {at}'],
  fromDevice: ['Аппарат {device}', 'Device {device}'],
  more: [
    'Показаны первые {n}. Остальные появятся, когда эти будут разобраны.',
    'The first {n} are shown. The others follow when these are done.',
  ],

  errorConflict: [
    'Уже изменено кем-то другим или сейчас нельзя. Обновите страницу и посмотрите, что там теперь.',
    'Somebody else changed it already, or it cannot be done now. Refresh and look again.',
  ],
  errorBadRequest: [
    'Сервер не принял значения. Проверьте поля: в них что-то записано не по правилам.',
    'The server refused the values. Check the fields: something in them is not well-formed.',
  ],
  errorNotFound: [
    'Этого больше нет. Обновите страницу.',
    'It is not there any more. Refresh the page.',
  ],
  errorTooLarge: [
    'Слишком большой файл или слишком много строк за один раз. Разделите на части.',
    'The file is too large, or there are too many rows at once. Split it.',
  ],
  errorZip: [
    'Это не архив ZIP, или он повреждён. Упакуйте содержимое диска в ZIP и загрузите снова.',
    'This is not a ZIP archive, or it is damaged. Pack the disc into a ZIP and try again.',
  ],
  errorStorageFull: [
    'На сервере МО кончилось место. Сообщите администратору сервера и повторите позже.',
    'The server is out of space. Tell its administrator and try again later.',
  ],
  errorPeer: [
    'Такой МО нет среди подключённых к ЦАМИ. Проверьте OID.',
    'This organization is not connected to CAMI. Check the OID.',
  ],
  errorRole: [
    'Для этого нужна другая роль. Обратитесь к администратору МО.',
    'This needs another role. Ask your administrator.',
  ],
} as const satisfies Texts
