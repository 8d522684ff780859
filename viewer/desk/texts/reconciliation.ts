import type { Texts } from '../texts.ts'

export const reconciliationTexts = {
  reconciliation: ['Сверка журналов', 'Comparison of audits'],
  reconciliationHint: [
    'Каждые сутки узел сверяет с узлами других МО, кто чьи исследования открывал. Сутки сверяют через 13 часов после их конца; результаты хранятся 35 дней.',
    'Each day this node and those of other organizations compare who opened whose studies. A day is compared 13 hours after it ended; results are kept for 35 days.',
  ],
  reconciliationEmpty: ['Сверок пока нет', 'Nothing compared yet'],
  reconciliationEmptyText: [
    'Первая строка появится, когда закончатся и отстоятся первые сутки в составе ЦАМИ.',
    'The first line appears when the first day in the region has ended and settled.',
  ],
  reconciliationFine: ['Расхождений нет', 'No differences'],
  reconciliationFineText: [
    'Делать ничего не нужно. Все сверенные сутки видны под «Все сутки».',
    'There is nothing to do. All compared days are under “All days”.',
  ],
  reconciliationAnswered: ['Все МО ответили', 'Everybody answered'],
  'reconciled-only-mismatch': ['Расхождения', 'Differences'],
  'reconciled-only-unanswered': ['Не ответили', 'No answer'],
  'reconciled-only-all': ['Все сутки', 'All days'],
  'reconciled-agreed': ['сходится', 'agrees'],
  'reconciled-mismatch': ['расходится', 'differs'],
  'reconciled-unanswered': ['МО не ответила', 'no answer'],
  columnDay: ['Сутки (UTC)', 'Day (UTC)'],
  columnResult: ['Итог', 'Result'],
  columnServed: ['Наших исследований открыто', 'Ours, opened there'],
  columnFetched: ['Чужих открыто нами', 'Theirs, opened here'],
  reconciledAt: ['сверено {at}', 'compared {at}'],
  differences: ['Расхождений: {n}', 'Differences: {n}'],
  differencesMore: [
    'Показаны первые {n} из {m}; остальные — в журнале аудита с кодом audit_mismatch.',
    'The first {n} of {m}; the others are in the audit under audit_mismatch.',
  ],
  differenceAccess: ['обращение {id}', 'access {id}'],
  sideHolder: ['исследование наше', 'our study'],
  sideGrantee: ['исследование этой МО', 'their study'],
  todo: ['Что делать.', 'What to do.'],
  unansweredText: [
    'За 7 суток МО не прислала свой журнал за этот день. Свяжитесь с её администратором: пусть проверит связь узла и пришлёт выписку; сравните её с нашим журналом.',
    'For 7 days the organization gave no account of this day. Call its administrator: the node’s link needs a look, and an extract of its audit should be compared with ours.',
  ],
  unansweredIdle: [
    'За 7 суток МО не прислала свой журнал за этот день. У нас обращений с ней не записано, сверять нечего.',
    'For 7 days the organization gave no account of this day. We have recorded no access with it: there is nothing to compare.',
  ],
  'differs-not-asked-holder': [
    'Мы отдали исследование, а та МО говорит, что не просила его',
    'We served a study that they say they never asked for',
  ],
  'advice-not-asked-holder': [
    'Похоже, что её ключом говорит кто-то другой. Сейчас же прекратите ей доступ («Доступ других МО»), позвоните её администратору и попросите оператора ЦАМИ отозвать ключ.',
    'Somebody else may be speaking with its key. End its access at once (“Access of others”), call its administrator and have the operator revoke the key.',
  ],
  'differs-not-asked-grantee': [
    'Та МО отдала исследование от имени нашего узла, а мы его не просили',
    'They served a study in our name that we never asked for',
  ],
  'advice-not-asked-grantee': [
    'Похоже, что ключ нашего узла у кого-то ещё. Сейчас же позвоните оператору ЦАМИ, чтобы он отозвал ключ, и готовьте новый командой certs.',
    'Somebody else may have this node’s key. Call the operator at once to have it revoked, and make a new one with certs.',
  ],
  'differs-not-recorded-holder': [
    'Та МО получила наше исследование, а в нашем журнале этого нет',
    'They got a study of ours that our audit does not know of',
  ],
  'advice-not-recorded-holder': [
    'В нашем журнале не хватает записей. Проверьте диск узла и кто входил на сервер; сообщите ответственному за безопасность. Журнал из резервной копии не подменяйте.',
    'Our audit lacks records. Look at the node’s disk and at who was on the server; tell your security officer. Do not replace the audit from a backup.',
  ],
  'differs-not-recorded-grantee': [
    'Мы получили исследование, а в журнале той МО этого нет',
    'We got a study that their audit does not know of',
  ],
  'advice-not-recorded-grantee': [
    'Журнал той МО неполон. Передайте её администратору номер обращения; у нас хранится её подписанная квитанция, если она пришла.',
    'Their audit is incomplete. Give their administrator the number of the access; we keep their signed receipt if one came.',
  ],
  'differs-another-study': [
    'Под одним обращением записаны разные исследования',
    'One access, two different studies',
  ],
  'differs-another-user': [
    'Под одним обращением записаны разные люди',
    'One access, two different people',
  ],
  'advice-another-study': [
    'Одна из сторон изменила свою запись. Сравните номер обращения с её администратором и сообщите оператору ЦАМИ.',
    'One side has changed its record. Compare the access with their administrator and tell the operator.',
  ],
  'advice-another-user': [
    'Одна из сторон изменила свою запись. Сравните номер обращения с её администратором и сообщите оператору ЦАМИ.',
    'One side has changed its record. Compare the access with their administrator and tell the operator.',
  ],
  'differs-unfinished': [
    'Одна сторона записала конец передачи, другая нет',
    'One side saw the end of a transfer, the other did not',
  ],
  'advice-unfinished': [
    'Обычно это отключение питания во время передачи. Сравните время с журналом работы серверов; если отключения не было, сообщите оператору ЦАМИ.',
    'Usually power was lost during a transfer. Compare the time with the servers’ logs; if nothing failed, tell the operator.',
  ],
  'differs-bytes': ['Отдано и получено разное число байтов', 'Bytes sent and received differ'],
  'advice-bytes': [
    'Разница больше, чем бывает при обрыве связи. Сравните номер обращения с администратором той МО; если повторится, сообщите оператору ЦАМИ.',
    'The difference is more than a cut link explains. Compare the access with their administrator; if it happens again, tell the operator.',
  ],
  'differs-receipt': [
    'Квитанция говорит не то, что журнал владельца сейчас',
    'The receipt says something else than the holder’s audit now',
  ],
  'advice-receipt': [
    'Запись владельца изменилась после того, как он подписал квитанцию. Квитанция — доказательство: сообщите ответственному за безопасность и оператору ЦАМИ.',
    'The holder’s record changed after it signed the receipt. The receipt is evidence: tell your security officer and the operator.',
  ],
} as const satisfies Texts
