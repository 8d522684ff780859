/** One study that stays open to a suspended organization. */
export const citoTexts = {
  cito: ['Открыто по cito', 'Left open (cito)'],
  citoText: [
    'Одно исследование другой МО остаётся доступным на 24 часа, хотя остальное приостановлено. Доступ держателя и поимённый список действуют как обычно.',
    'One study of another organization stays open for 24 hours though the rest is suspended. The holder’s grant and its named people are asked as ever.',
  ],
  citoNone: ['Ничего не открыто.', 'Nothing is open.'],
  citoOpen: ['Открыть одно исследование', 'Open one study'],
  citoHolder: ['Чьё исследование', 'Whose study'],
  citoHolderPeople: ['{name} — доступ есть у {n} чел.', '{name} — {n} people have access'],
  citoHolderNone: ['{name} — доступа нет', '{name} — no access'],
  citoStudy: ['UID исследования', 'Study UID'],
  citoStudyHint: [
    'Его называет врач или держатель: цифры и точки, до 64 знаков',
    'The doctor or the holder says it: digits and dots, up to 64',
  ],
  citoReason: [
    'Почему нельзя ждать (не меньше 20 знаков)',
    'Why it cannot wait (20 characters or more)',
  ],
  citoReasonHint: [
    'Без фамилии больного. Хранится закрыто: видит только оператор.',
    'Without the patient’s name. Kept sealed: only the operator sees it.',
  ],
  citoWho: [
    'Увидят исследование: {n} чел. из действующих доступов этой МО у держателя.',
    'Who sees the study: {n} people of this organization’s access at the holder.',
  ],
  citoNobody: [
    'У этой МО нет действующего доступа у выбранного держателя: исследование не откроется никому. Сначала держатель должен дать доступ.',
    'This organization has no access at that holder: the study opens to nobody. The holder must give access first.',
  ],
  citoRest: [
    'Все другие исследования остаются закрытыми; ограничение не снимается.',
    'All other studies stay closed; the restriction stands.',
  ],
  citoEnds: [
    'Закроется само через 24 часа после подтверждения. Закрыть раньше можно здесь же.',
    'It closes by itself 24 hours after you confirm, or earlier here.',
  ],
  citoTold: [
    'Об открытии узнают узлы обеих МО; в журналах останутся две МО и оператор, без исследования.',
    'The nodes of both hear of it; the logs name the two organizations and the operator, not the study.',
  ],
  citoLogin: [
    'Эта МО ограничена и по входу в PACS Proxy: пока вход закрыт, посмотреть исследование на своём узле её врачи не смогут.',
    'This organization is also kept from signing in: its doctors cannot see the study at their node until that ends.',
  ],
  citoUntil: ['открыто до {at}', 'open until {at}'],
  citoOver: ['закрылось {at}', 'closed {at}'],
  citoWithdrawn: ['закрыто раньше срока {at}', 'closed early {at}'],
  citoWithdraw: ['Закрыть сейчас', 'Close it now'],
  citoWithdrawText: [
    'Исследование закроется у врачей этой МО не позже чем через 60 секунд, и на открытом просмотре тоже.',
    'The study closes within 60 seconds, also where it is open on a screen.',
  ],
} as const
