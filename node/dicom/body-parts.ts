/**
 * Body parts as Russian devices write them, and their defined terms (PS3.16 Annex L). Code strings may hold no Cyrillic;
 * the original stays in the bytes and in the finding (DQ-07).
 */
const terms: Record<string, string> = {
  CHEST:
    'грудная клетка|грудная|грудь|огк|органы грудной клетки|грудной клетки|кл грудная|флг|легкие',
  ABDOMEN: 'брюшная полость|брюшной полости|обп|живот|органы брюшной полости',
  PELVIS: 'таз|кости таза|малый таз|омт',
  HEAD: 'голова|головной мозг|головы',
  SKULL: 'череп|черепа',
  BRAIN: 'мозг|гм',
  NECK: 'шея|мягкие ткани шеи',
  CSPINE: 'шейный отдел|шейный отдел позвоночника|шоп|шейный',
  TSPINE: 'грудной отдел|грудной отдел позвоночника|гоп',
  LSPINE:
    'поясничный отдел|поясничный отдел позвоночника|поп|поясничный|пояснично-крестцовый отдел',
  SSPINE: 'крестец|крестцовый отдел',
  COCCYX: 'копчик',
  SPINE: 'позвоночник',
  SHOULDER: 'плечо|плечевой сустав|плечевой',
  CLAVICLE: 'ключица',
  SCAPULA: 'лопатка',
  RIB: 'ребра|ребро',
  HUMERUS: 'плечевая кость',
  ELBOW: 'локоть|локтевой сустав|локтевой',
  FOREARM: 'предплечье',
  WRIST: 'запястье|лучезапястный сустав|лучезапястный',
  HAND: 'кисть|кисти',
  FINGER: 'палец кисти|палец',
  HIP: 'тазобедренный сустав|тазобедренный|тбс',
  FEMUR: 'бедро|бедренная кость',
  KNEE: 'колено|коленный сустав|коленный',
  LEG: 'голень|нога',
  ANKLE: 'голеностоп|голеностопный сустав|голеностопный',
  FOOT: 'стопа|стопы',
  CALCANEUS: 'пятка|пяточная кость',
  BREAST: 'молочная железа|молочные железы|ммг|грудь молочная',
  HEART: 'сердце',
  KIDNEY: 'почки|почка',
  LIVER: 'печень',
  STOMACH: 'желудок',
  SINUS: 'пазухи|пазухи носа|придаточные пазухи носа|ппн',
  NOSE: 'нос|кости носа',
  ORBIT: 'орбита|орбиты|глазница',
  JAW: 'челюсть|нижняя челюсть|верхняя челюсть',
  TOOTH: 'зуб|зубы',
  WHOLEBODY: 'все тело',
}

const byText = new Map(
  Object.entries(terms).flatMap(([term, texts]) => texts.split('|').map((text) => [text, term])),
)

/** The defined term for what a device wrote, or nothing. */
export const bodyPartOf = (text: string): string | undefined =>
  byText.get(
    text
      .trim()
      .toLowerCase()
      .replaceAll('ё', 'е')
      .replaceAll(/[.,_]+/g, ' ')
      .replaceAll(/\s+/g, ' ')
      .trim(),
  )

const lateralities: Record<string, string> = {
  л: 'L',
  лев: 'L',
  левая: 'L',
  левый: 'L',
  п: 'R',
  пр: 'R',
  прав: 'R',
  правая: 'R',
  правый: 'R',
}

export const lateralityOf = (text: string): string | undefined =>
  lateralities[text.trim().toLowerCase().replaceAll('.', '')]
