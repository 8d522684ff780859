/** How a key is enrolled (decision 0049): what each side types, and what was proven. */
export const enrolmentTexts = {
  digits: ['Цифры отпечатка', 'Digits of the fingerprint'],
  possession: ['Владение ключом', 'Possession of the key'],
  possession_proven: [
    'доказано: ключ подписал вызов оператора, цифры прочитаны вслух',
    'proven: the key signed the operator’s challenge, the digits were read aloud',
  ],
  possession_previous: [
    'смену подписали прежний и новый ключ',
    'the key before and this one signed the change',
  ],
  possession_file: [
    'не доказано: удостоверение взято из настроек реестра',
    'not proven: the credential is from the registry’s configuration',
  ],
  enrolment: ['Выпуск ключа узла', 'Enrolling the node’s key'],
  enrolmentOperator: [
    'На машине оператора с выпускающим ключом, без сети. Файлы передают вместе с бумагами; цифры — только голосом, по телефону из формы № 1.',
    'On the operator’s machine with the issuing key, without network. Files travel with the papers; the digits by voice alone, at the telephone of form № 1.',
  ],
  enrolmentOwn: [
    'На сервере узла. Файл node.jwk никому не передают; в КОМИАЦ отправляют node.jwk.pub и proof.jwt.',
    'At the node’s server. Nobody gets node.jwk; node.jwk.pub and proof.jwt go to the operator.',
  ],
  enrolStepKey: [
    '1. МО: сделать ключ и прислать node.jwk.pub',
    '1. Organization: make the key, send node.jwk.pub',
  ],
  enrolStepChallenge: [
    '2. КОМИАЦ: записать вызов и прислать challenge.json',
    '2. Operator: write the challenge, send challenge.json',
  ],
  enrolStepProve: [
    '3. МО: подписать вызов, прочитать цифры по телефону, прислать proof.jwt',
    '3. Organization: sign the challenge, read the digits aloud, send proof.jwt',
  ],
  enrolStepCredential: [
    '4. КОМИАЦ: выпустить удостоверение; вместо нулей — цифры, которые услышаны',
    '4. Operator: issue the credential; the digits that were heard instead of the zeros',
  ],
  enrolStepPublish: [
    '5. Оператор: «Ключи и доверие» → вставить credential.jwt → «Опубликовать»',
    '5. Operator: “Keys and trust” → paste credential.jwt → “Publish”',
  ],
} as const
