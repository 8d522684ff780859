import type { ComponentChildren } from 'preact'

/** Line icons of one weight, drawn for this product; they take the colour of the text around them. */
const shapes = {
  back: <path d="M14.5 5.5 8 12l6.5 6.5" />,
  search: (
    <>
      <circle cx="11" cy="11" r="6" />
      <path d="m15.500 15.500 4.500 4.500" />
    </>
  ),
  clear: <path d="m7 7 10 10M17 7 7 17" />,
  refresh: <path d="M19 12a7 7 0 1 1-2.200-5.100M19.500 4v4h-4" />,
  user: (
    <>
      <circle cx="12" cy="8.500" r="3.500" />
      <path d="M5 19.500c1-3.600 3.700-5.300 7-5.300s6 1.700 7 5.300" />
    </>
  ),
  exit: <path d="M10 5H6v14h4M14 8l4 4-4 4M18 12h-8" />,
  help: (
    <>
      <circle cx="12" cy="12" r="8.500" />
      <path d="M9.700 9.600c.2-1.400 1.200-2.100 2.400-2.100 1.300 0 2.300.8 2.300 2 0 1.900-2.400 1.900-2.400 3.900M12 16.600v.1" />
    </>
  ),
  info: (
    <>
      <circle cx="12" cy="12" r="8.500" />
      <path d="M12 11v5.500M12 7.600v.1" />
    </>
  ),
  warning: <path d="M12 4.500 21 19.500H3zM12 10v4.500M12 17v.1" />,
  window: (
    <>
      <circle cx="12" cy="12" r="7.500" />
      <path d="M12 4.500v15a7.500 7.500 0 0 0 0-15z" fill="currentColor" />
    </>
  ),
  pan: (
    <path d="M12 3.500v17M3.500 12h17M9.500 6 12 3.500 14.500 6M9.500 18l2.500 2.500 2.500-2.500M6 9.500 3.500 12 6 14.500M18 9.500l2.500 2.500-2.500 2.500" />
  ),
  zoom: (
    <>
      <circle cx="10.500" cy="10.500" r="6" />
      <path d="m15 15 5 5M10.500 8v5M8 10.500h5" />
    </>
  ),
  scroll: (
    <>
      <rect x="8" y="3.500" width="8" height="17" rx="4" />
      <path d="M12 7.500v3" />
    </>
  ),
  fit: <path d="M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5" />,
  invert: (
    <>
      <rect x="4" y="4" width="16" height="16" rx="2.500" />
      <path d="M4.500 19.500 19.500 4.500v13a2 2 0 0 1-2 2z" fill="currentColor" />
    </>
  ),
  flipX: <path d="M12 3.500v17M9 7.500v9l-5 1.500v-12zM15 7.500v9l5 1.500v-12z" />,
  flipY: <path d="M3.500 12h17M7.500 9h9l1.500-5h-12zM7.500 15h9l1.500 5h-12z" />,
  reset: <path d="M5 12a7 7 0 1 0 2.200-5.100M4.500 4v4h4" />,
  play: <path d="M8 5.500v13l10.500-6.500z" fill="currentColor" />,
  pause: <path d="M8 5.500v13M16 5.500v13" stroke-width="3" />,
  document: <path d="M7 3.500h7l4 4v13H7zM14 3.500v4h4M9.500 12h6M9.500 15.500h6" />,
  images: (
    <>
      <rect x="3.500" y="6.500" width="13" height="13" rx="2" />
      <path d="M7.500 6.500v-3h13v13h-4" />
    </>
  ),
  inbox: (
    <path d="M4 13.500 6.500 5h11l2.500 8.500V19H4zM4 13.500h4.500c.4 1.800 1.800 2.700 3.500 2.700s3.100-.9 3.500-2.700H20" />
  ),
  lock: (
    <>
      <rect x="5" y="10.500" width="14" height="9.500" rx="2" />
      <path d="M8 10.500V8a4 4 0 0 1 8 0v2.500" />
    </>
  ),
  pencil: <path d="M5 19l.8-3.700L16.500 4.600l2.900 2.900L8.700 18.200zM14 7.100l2.900 2.900" />,
  building: (
    <path d="M5 20.500V5l7-2 7 2v15.500M3 20.500h18M10.500 20.500v-4h3v4M9 8.500h1.500M13.500 8.500H15M9 12h1.500M13.500 12H15" />
  ),
} satisfies Record<string, ComponentChildren>

export type IconName = keyof typeof shapes

export const Icon = ({ name, size = 20 }: { name: IconName; size?: number }) => (
  <svg
    class="icon"
    width={size}
    height={size}
    viewBox="0 0 24 24"
    fill="none"
    stroke="currentColor"
    stroke-width="1.7"
    stroke-linecap="round"
    stroke-linejoin="round"
    aria-hidden="true"
  >
    {shapes[name]}
  </svg>
)
