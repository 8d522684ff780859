import type { Texts } from '../texts.ts'

export const emergencyTexts = {
  emergencies: ['Экстренный доступ', 'Emergency access'],
  emergenciesHint: [
    'Исследования, которые врачи других МО открыли без заявки, под свою ответственность. Каждый случай проверяют за 72 часа.',
    'Studies that doctors elsewhere opened without a grant, on their own responsibility. Each is reviewed within 72 hours.',
  ],
  emergenciesEmptyText: [
    'Здесь появится каждое исследование, открытое в экстренном случае.',
    'Each study that is opened in an emergency appears here.',
  ],
  emergencyOffered: [
    'Экстренный доступ включён: врач-рентгенолог другой МО может открыть одно исследование на 4 часа.',
    'Emergency access is on: a radiologist elsewhere can open one study for 4 hours.',
  ],
  emergencyNotOffered: [
    'Экстренный доступ выключен. Включить его может только руководитель МО.',
    'Emergency access is off. Only the head of the organization can turn it on.',
  ],
  emergencyTurnOn: ['Включить', 'Turn on'],
  emergencyTurnOff: ['Выключить', 'Turn off'],
  emergencyPassword: ['Ваш пароль ещё раз', 'Your password once more'],
  emergencyReason: ['Причина', 'Reason'],
  emergencyOpen: ['открыто сейчас, до {at}', 'open now, until {at}'],
  emergencyWaits: ['ждёт проверки до {at}', 'to be reviewed by {at}'],
  emergencyOverdue: ['проверка просрочена: срок был {at}', 'the review is overdue since {at}'],
  emergencyJustified: ['обосновано', 'justified'],
  emergencyUnjustified: ['не обосновано', 'not justified'],
  emergencyStop: ['Прекратить сейчас', 'End it now'],
  emergencyReview: ['Проверить', 'Review'],
  emergencyComment: ['Вывод проверки', 'What the review found'],
  emergencyAsJustified: ['Обосновано', 'Justified'],
  emergencyAsUnjustified: ['Не обосновано', 'Not justified'],
} as const satisfies Texts
