/** CRC-32C (Castagnoli), eight bytes at a time; tables by the usual construction. */
const tables = Array.from({ length: 8 }, () => new Uint32Array(256))
const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
]
for (let byte = 0; byte < 256; byte++) {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f6_3b78 : value >>> 1
  t0[byte] = value
}
for (let byte = 0; byte < 256; byte++) {
  for (let i = 1; i < 8; i++) {
    const before = tables[i - 1]?.[byte] ?? 0
    const table = tables[i]
    if (table) table[byte] = (before >>> 8) ^ (t0[before & 255] ?? 0)
  }
}

/** The CRC in the masked form that LevelDB stores. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff
  let at = 0
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (const end = bytes.byteLength - 7; at < end; at += 8) {
    const low = crc ^ view.getUint32(at, true)
    const high = view.getUint32(at + 4, true)
    crc =
      at8(t7, low) ^
      at8(t6, low >>> 8) ^
      at8(t5, low >>> 16) ^
      at8(t4, low >>> 24) ^
      at8(t3, high) ^
      at8(t2, high >>> 8) ^
      at8(t1, high >>> 16) ^
      at8(t0, high >>> 24)
  }
  for (; at < bytes.byteLength; at++) crc = (crc >>> 8) ^ at8(t0, crc ^ (bytes[at] ?? 0))
  const plain = ~crc >>> 0
  return (((plain >>> 15) | (plain << 17)) + 0xa282_ead8) >>> 0
}

const at8 = (table: Uint32Array, index: number): number => table[index & 255] ?? 0
