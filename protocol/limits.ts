/** Every maximum, deadline and window of the product, in one place. Units are last in the name. */
export * from './limits/federation.ts'
export * from './limits/dimse.ts'
export * from './limits/archive.ts'
export * from './limits/web.ts'
