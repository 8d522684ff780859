const uidPattern = /^[0-9]+(\.[0-9]+)*$/
const isUid = (uid: string): boolean => uid.length <= 64 && uidPattern.test(uid)

const dicomRoot = '1.2.840.10008.'
const storageRoot = '1.2.840.10008.5.1.4.1.1.'

/** Under the storage root, yet queries: protocol approval and inventories (PS3.6 §A). */
const queriesUnderStorage = new Set([
  '1.2.840.10008.5.1.4.1.1.200.4',
  '1.2.840.10008.5.1.4.1.1.200.5',
  '1.2.840.10008.5.1.4.1.1.200.6',
  '1.2.840.10008.5.1.4.1.1.201.2',
  '1.2.840.10008.5.1.4.1.1.201.3',
  '1.2.840.10008.5.1.4.1.1.201.4',
  '1.2.840.10008.5.1.4.1.1.201.5',
  '1.2.840.10008.5.1.4.1.1.201.6',
])

/** Storage classes that the standard put elsewhere (PS3.6 §A). */
const storageElsewhere = new Set([
  '1.2.840.10008.5.1.1.27',
  '1.2.840.10008.5.1.1.29',
  '1.2.840.10008.5.1.1.30',
  '1.2.840.10008.5.1.4.34.1',
  '1.2.840.10008.5.1.4.34.7',
  '1.2.840.10008.5.1.4.34.10',
  '1.2.840.10008.5.1.4.38.1',
  '1.2.840.10008.5.1.4.39.1',
  '1.2.840.10008.5.1.4.43.1',
  '1.2.840.10008.5.1.4.44.1',
  '1.2.840.10008.5.1.4.45.1',
])

/**
 * What may be stored. A class of the standard that is not storage (query, worklist, performed step, commitment,
 * print …) is refused; a class that is not of the standard at all is a vendor's own and is kept like any other.
 */
export function isStorage(sopClass: string): boolean {
  if (!isUid(sopClass)) return false
  if (!sopClass.startsWith(dicomRoot)) return true
  if (storageElsewhere.has(sopClass)) return true
  return sopClass.startsWith(storageRoot) && !queriesUnderStorage.has(sopClass)
}
