export const usage = `Makes the keys and signed statements of a CAMI federation.

Usage: npm run certs -- COMMAND

  root         --out FILE                     the authority's key, kept offline
  issuing-key  --out FILE                     the registry's key for credentials, grants, epochs
  node-key     --out FILE                     identity of a node, or of the registry, on the network
  log-key      --out FILE --name ORIGIN       the registry's key for the transparency log
  witness-key  --out FILE --oid OID           a node's key for witnessing the log
  trust-list   --root FILE --issuer FILE.pub [--issuer FILE.pub] --registry FILE.pub --out FILE
               [--previous FILE] [--days 365] [--second-factor required|optional]
               [--stale-after-hours 24] [--log KEY [--witness KEY ...]]
               [--transparency off|required]
  challenge    --oid OID --key FILE.pub --out FILE
  prove        --key FILE --challenge FILE --out FILE
  credential   --issuer FILE --oid OID --name NAME --key FILE.pub --out FILE
               --challenge FILE --proof FILE --digits "00000 00000 00000 00000 00000 00000"
               [--days 365] [--form1-no NUMBER --form1-date YYYY-MM-DD]
               or, after a change of key, --rekey FILE --previous CREDENTIAL
  rekey        --old FILE --new FILE --oid OID --out FILE
  inspect      FILE [--authority THUMBPRINT] [--trust-list FILE]
  fingerprint  FILE
  log verify   DIR | --url URL, --authority THUMBPRINT
               judges a registry from the files of its transparency log alone

A command that makes a key writes FILE, which only its owner can read, and FILE.pub for the others.
No file is ever overwritten.

Examples:

  # Operator, on a machine without network; the thumbprint goes into every configuration.
  npm run certs -- root --out root.jwk

  # Registry.
  npm run certs -- issuing-key --out issuing.jwk
  npm run certs -- node-key --out registry.jwk

  # Operator again, with the two .pub files of the registry.
  npm run certs -- trust-list --root root.jwk --issuer issuing.jwk.pub \\
      --registry registry.jwk.pub --out trust-list.jwt

  # Hospital; it sends node.jwk.pub with form 1.
  npm run certs -- node-key --out node.jwk

  # Registry, after form 1 was approved: does the hospital have the key?
  npm run certs -- challenge --oid 1.2.643.5.1.13.13.12.2.42.1001 --key node.jwk.pub \\
      --out challenge.json
  # Hospital; it reads the digits aloud, and the operator writes down what is heard.
  npm run certs -- prove --key node.jwk --challenge challenge.json --out proof.jwt
  # Registry.
  npm run certs -- credential --issuer issuing.jwk --oid 1.2.643.5.1.13.13.12.2.42.1001 \\
      --name "ГАУЗ «Районная больница»" --key node.jwk.pub --out credential.jwt \\
      --challenge challenge.json --proof proof.jwt --digits "88482 71792 41772 46471 80010 71253"

  # Hospital, when its key changes: both keys say so; then the registry, within a day.
  npm run certs -- node-key --out node-2.jwk
  npm run certs -- rekey --old node.jwk --new node-2.jwk --oid 1.2.643.5.1.13.13.12.2.42.1001 \\
      --out rekey.jwt
  npm run certs -- credential --issuer issuing.jwk --oid 1.2.643.5.1.13.13.12.2.42.1001 \\
      --name "ГАУЗ «Районная больница»" --key node-2.jwk.pub --out credential-2.jwt \\
      --rekey rekey.jwt --previous credential.jwt
  npm run certs -- inspect credential.jwt --trust-list trust-list.jwt --authority THUMBPRINT
`
