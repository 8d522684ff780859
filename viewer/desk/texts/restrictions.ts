import type { Texts } from '../texts.ts'

export const restrictionTexts = {
  restrictionTitle: ['Ограничение ЦАМИ № {n} с {date}', 'Restriction № {n} since {date}'],
  'restricted-cami': ['Исследования других МО закрыты', 'Studies of others are closed'],
  'restricted-proxy': ['PACS Proxy', 'This node'],
  'restricted-both': [
    'Исследования других МО закрыты, PACS Proxy',
    'Studies of others are closed, this node',
  ],
  'restricted-no_login': ['вход закрыт', 'no sign-in'],
  'restricted-read_only': ['только просмотр', 'view only'],
  'restricted-no_export': ['без печати и записи', 'no print or export'],
  'restricted-no_consult': ['без консультаций', 'no consultations'],
  restrictionWhy: ['Пункт {clause} Положения: {reason}.', 'Point {clause}: {reason}.'],
  restrictionRemedy: [
    'Что сделать: {remedy}; затем доложить об устранении в реестре ЦАМИ. Приём снимков с аппаратов не прекращается.',
    'What to do: {remedy}; then report it at the registry. Intake from apparatus goes on.',
  ],
  citoOwn: [
    'Оператор оставил открытыми (cito), остальное закрыто:',
    'The operator left open (cito), the rest is closed:',
  ],
  citoLeft: ['Открыто приостановленным МО по cito', 'Left open to suspended organizations (cito)'],
  citoLeftText: [
    'Эти МО приостановлены, но оператор ЦАМИ оставил им по одному вашему исследованию. Кто именно его видит, решает ваш доступ: прекратите его, и исследование закроется.',
    'These organizations are suspended, but the operator left a study of yours open. Your own grant says who sees it: end the grant, and it closes.',
  ],
  citoUntil: ['открыто до {at}', 'open until {at}'],
} as const satisfies Texts
