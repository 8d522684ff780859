import type { Middleware } from 'koa'

/** No inline script, no other origin. WebAssembly is what the decoders of compressed images are. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "connect-src 'self'",
  "img-src 'self' blob: data:",
  "style-src 'self'",
  "style-src-attr 'unsafe-inline'",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

const always = {
  'Content-Security-Policy': contentSecurityPolicy,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Permissions-Policy': 'camera=(), display-capture=(), geolocation=(), microphone=(), usb=()',
  // Patients' data; the viewer's own files say otherwise.
  'Cache-Control': 'no-store',
} as const

/** Headers of every answer, errors included. */
export function createSecurityHeaders({ isSecure }: { isSecure: boolean }): Middleware {
  const headers = {
    ...always,
    ...(isSecure ? { 'Strict-Transport-Security': 'max-age=31536000' } : {}),
  }
  return async (ctx, next) => {
    ctx.set(headers)
    await next()
  }
}
