/** `C(u)/2 · cos((2x+1)uπ/16)` for every x and u (T.81 A.3.3). */
const basis = Float64Array.from({ length: 64 }, (_, at) => {
  const [x, u] = [at >> 3, at & 7]
  return (u === 0 ? Math.SQRT1_2 : 1) * 0.5 * Math.cos(((2 * x + 1) * u * Math.PI) / 16)
})

const half = new Float64Array(64)

/** Dequantizes one block and turns it into samples around zero, in double precision. */
export function inverseDct(
  coefficients: Int32Array,
  at: number,
  quantization: Uint16Array,
  out: Float64Array,
): void {
  for (let v = 0; v < 8; v++) {
    for (let x = 0; x < 8; x++) {
      let sum = 0
      for (let u = 0; u < 8; u++) {
        const place = v * 8 + u
        const coefficient = coefficients[at + place] ?? 0
        if (coefficient !== 0)
          sum += coefficient * (quantization[place] ?? 1) * (basis[x * 8 + u] ?? 0)
      }
      half[v * 8 + x] = sum
    }
  }
  for (let y = 0; y < 8; y++) {
    for (let x = 0; x < 8; x++) {
      let sum = 0
      for (let v = 0; v < 8; v++) sum += (half[v * 8 + x] ?? 0) * (basis[y * 8 + v] ?? 0)
      out[y * 8 + x] = sum
    }
  }
}
