import type { Texts } from '../texts.ts'

export const archiveTexts = {
  archives: ['Другие архивы', 'Other archives'],
  archivesHint: [
    'Исследования из прежнего или соседнего архива этой МО: найдите и перенесите сюда. Там они тоже останутся.',
    'Studies in an older or neighbouring archive of this organization: find them and bring them here. They stay there too.',
  ],
  archivesEmpty: ['Других архивов нет', 'No other archives'],
  archivesEmptyText: [
    'Архив появится здесь, когда администратор впишет его в «Аппараты»: AE title, адрес, порт и право присылать исследования.',
    'An archive appears here once the administrator registers it under “Devices”: AE title, address, port and the right to store.',
  ],
  archiveWhich: ['Архив', 'Archive'],
  archiveEcho: ['Проверить связь', 'Check the link'],
  archiveAnswers: ['Архив {name} отвечает.', 'Archive {name} answers.'],
  archiveName: ['Фамилия Имя Отчество', 'Patient’s name'],
  archiveNameHint: ['достаточно начала фамилии', 'the beginning is enough'],
  archivePatientId: ['Номер пациента', 'Patient ID'],
  archiveAccession: ['Номер направления', 'Accession number'],
  archiveFrom: ['Исследование с', 'Studies from'],
  archiveTo: ['по', 'to'],
  archiveModality: ['Вид (CT, MR…)', 'Modality (CT, MR…)'],
  archiveFind: ['Найти', 'Search'],
  archiveFinding: ['Архив ищет…', 'Searching…'],
  archiveNone: [
    'Ничего не найдено. Проверьте написание или ищите по номеру пациента: старые архивы не всегда понимают кириллицу.',
    'Nothing found. Check the spelling or search by patient ID: old archives do not always understand Cyrillic.',
  ],
  archiveMore: [
    'Показана только часть: найденного слишком много. Добавьте фамилию или дату.',
    'Only a part is shown: there is too much. Add a name or a date.',
  ],
  archiveFound: ['Найдено: {n}', 'Found: {n}'],
  columnPatient: ['Пациент', 'Patient'],
  columnStudyDate: ['Дата', 'Date'],
  columnWhat: ['Исследование', 'Study'],
  columnSize: ['Снимков', 'Images'],
  archiveBring: ['Перенести сюда', 'Bring here'],
  archiveBegun: ['Перенос начат: ход — ниже.', 'The transfer has begun: see below.'],
  moves: ['Переносы', 'Transfers'],
  movesNone: [
    'Переносов не было с последнего запуска узла.',
    'No transfers since the node was started.',
  ],
  moveOf: ['из архива {name}, {at}', 'from {name}, {at}'],
  moveCounts: ['Получено {n} из {m}', '{n} of {m} received'],
  moveCountsOnly: ['Получено {n}', '{n} received'],
  moveFailed: ['не получено: {n}', 'not received: {n}'],
  moveOpen: ['Открыть исследование', 'Open the study'],
  moveAgain: ['Повторить', 'Try again'],
  'move-running': ['Идёт', 'Running'],
  'move-done': ['Готово', 'Done'],
  'move-cancelled': ['Прервано; что пришло, осталось', 'Stopped; what came stays'],
  'move-failed': ['Не получилось', 'Failed'],
  'remote-unavailable': [
    'Архив не отвечает. Проверьте, включён ли он, и адрес с портом в «Аппаратах».',
    'The archive does not answer. See that it runs, and its address and port under “Devices”.',
  ],
  'remote-timeout': [
    'Архив слишком долго молчит. Повторите; если снова — сузьте поиск или сообщите его администратору.',
    'The archive is silent for too long. Try again, narrow the search, or tell its administrator.',
  ],
  'remote-aborted': [
    'Архив оборвал связь. Что пришло, осталось; повторите, придёт остальное.',
    'The archive broke the link. What came stays; try again for the rest.',
  ],
  'remote-forbidden': [
    'Архив нас не пускает. Его администратор должен вписать AE title и адрес этого узла.',
    'The archive does not let us in. Its administrator must register this node’s AE title and address.',
  ],
  'remote-unsupported': [
    'Архив этого не умеет или нам не разрешает (C-FIND, C-MOVE). Спросите его администратора.',
    'The archive cannot do that or does not let us (C-FIND, C-MOVE). Ask its administrator.',
  ],
  'remote-not_acceptable': [
    'Архив отказал. Чаще всего он не знает, куда посылать: его администратор должен вписать AE title, адрес и порт этого узла. Проверьте и в «Аппаратах», что архиву разрешено присылать.',
    'The archive refused. Mostly it does not know where to send: its administrator must register this node’s AE title, address and port. See under “Devices” that it may store.',
  ],
  'remote-busy': [
    'Сразу идёт не больше четырёх переносов. Дождитесь конца одного из них.',
    'At most four transfers run at a time. Wait for one to end.',
  ],
} as const satisfies Texts
