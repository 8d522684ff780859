import { fileURLToPath } from 'node:url'
import { printDate } from '#protocol/fields/dates.ts'

/**
 * An A4 page with the margins of ГОСТ Р 7.0.97-2016 (left 30 mm for a file, right 10, top and bottom 20). The same
 * content gives the same bytes: no clock, no chance, the document's own date as the time of its making.
 */

const mm = (length: number): number => (length * 72) / 25.4
const margins = { left: mm(30), right: mm(10), top: mm(20), bottom: mm(20) }
const pageWidth = mm(210)
export const textWidth = pageWidth - margins.left - margins.right
const bottom = mm(297) - margins.bottom

const fonts = {
  regular: fontFile('400Regular/PTSerif_400Regular.ttf'),
  bold: fontFile('700Bold/PTSerif_700Bold.ttf'),
  italic: fontFile('400Regular_Italic/PTSerif_400Regular_Italic.ttf'),
}
type Font = keyof typeof fonts

function fontFile(name: string): string {
  return fileURLToPath(import.meta.resolve(`@expo-google-fonts/pt-serif/${name}`))
}

export type Style = {
  font?: Font
  size?: number
  align?: 'left' | 'center' | 'right' | 'justify'
  gap?: number
}
export type Column = { title: string; width: number; align?: 'left' | 'center' }

/** A page that is written from the top down. */
export type Page = ReturnType<typeof createPage>

export async function renderPage(
  about: { title: string; date: string },
  write: (page: Page) => void,
): Promise<Buffer> {
  // Loaded with the first document: the registry starts without it.
  const { default: PDFDocument } = await import('pdfkit')
  const doc = new PDFDocument({
    size: 'A4',
    margins,
    lang: 'ru-RU',
    displayTitle: true,
    info: {
      Title: about.title,
      Producer: 'CAMI',
      Creator: 'CAMI',
      CreationDate: new Date(`${about.date}T00:00:00Z`),
    },
  })
  for (const [name, file] of Object.entries(fonts)) doc.registerFont(name, file)
  const chunks: Buffer[] = []
  doc.on('data', (chunk: Buffer) => chunks.push(chunk))
  const done = new Promise<void>((resolve, reject) => {
    doc.on('end', resolve)
    doc.on('error', reject)
  })
  write(createPage(doc))
  doc.end()
  await done
  return Buffer.concat(chunks)
}

function createPage(doc: PDFKit.PDFDocument) {
  const { left } = margins
  const use = ({ font = 'regular', size = 12 }: Style) => doc.font(font).fontSize(size)
  const heightOf = (text: string, style: Style, width: number) => {
    use(style)
    return doc.heightOfString(text === '' ? ' ' : unbroken(text), { width })
  }
  const makeRoom = (height: number): boolean => {
    if (doc.y + height <= bottom) return false
    doc.addPage()
    return true
  }
  const put = (text: string, style: Style, box: { x: number; y: number; width: number }) => {
    use(style)
    doc.text(unbroken(text), box.x, box.y, { width: box.width, align: style.align ?? 'left' })
  }
  const text = (value: string, style: Style = {}): void => {
    const { gap = 6, align = 'left' } = style
    makeRoom(heightOf(value, style, textWidth))
    put(value, { ...style, align }, { x: left, y: doc.y, width: textWidth })
    doc.y += gap
  }
  /** Two blocks side by side, as the head of a form has them. */
  const sides = (
    one: (x: number, width: number) => void,
    other: (x: number, width: number) => void,
  ): void => {
    const top = doc.y
    const width = textWidth * 0.47
    one(left, width)
    const under = doc.y
    doc.y = top
    other(left + textWidth - width, width)
    doc.y = Math.max(under, doc.y) + 10
  }
  const line = (x: number, width: number): void => {
    doc
      .moveTo(x, doc.y)
      .lineTo(x + width, doc.y)
      .lineWidth(0.6)
      .stroke()
  }
  /** What is filled in stands on a line, and what it is in small letters below. */
  const onLine = (value: string, note: string, box = { x: left, width: textWidth }): void => {
    makeRoom(heightOf(value, {}, box.width) + 16)
    put(value, { align: 'center' }, { ...box, y: doc.y })
    doc.y += 1
    line(box.x, box.width)
    doc.y += 1
    put(note, { size: 9, align: 'center' }, { ...box, y: doc.y })
    doc.y += 6
  }
  const space = (height: number): void => {
    doc.y += height
  }
  return {
    doc,
    left,
    text,
    put,
    sides,
    line,
    onLine,
    space,
    makeRoom,
    heightOf,
    table: createTable({ doc, left, makeRoom, heightOf, put }),
  }
}

/** A name is not torn at the end of a line. */
const unbroken = (text: string): string => text.replaceAll('PACS Proxy', 'PACS\u00a0Proxy')

const padding = 3
const cellSize = 9.5

type Drawing = {
  doc: PDFKit.PDFDocument
  left: number
  makeRoom: (height: number) => boolean
  heightOf: (text: string, style: Style, width: number) => number
  put: (text: string, style: Style, box: { x: number; y: number; width: number }) => void
}
/** Cells of one row; a text alone stands across all columns. */
export type TableRow = readonly string[] | string

/** A ruled table; its head is repeated on each page that it goes over to. */
function createTable({ doc, left, makeRoom, heightOf, put }: Drawing) {
  return (columns: readonly Column[], rows: readonly TableRow[], size = cellSize): void => {
    const total = columns.reduce((sum, { width }) => sum + width, 0)
    const widths = columns.map(({ width }) => (width / total) * textWidth)
    const cellsOf = (row: TableRow) =>
      typeof row === 'string'
        ? [{ text: row, x: left, width: textWidth, align: 'center' as const }]
        : row.map((text, at) => ({
            text,
            x: left + widths.slice(0, at).reduce((sum, width) => sum + width, 0),
            width: widths[at] ?? 0,
            align: columns[at]?.align ?? ('left' as const),
          }))
    const draw = (row: TableRow, style: Style): void => {
      const cells = cellsOf(row)
      const inner = cells.map(({ text, width }) => heightOf(text, style, width - 2 * padding))
      const height = Math.max(...inner) + 2 * padding
      if (makeRoom(height) && style.font !== 'bold') draw(titles, head)
      const y = doc.y
      for (const { text, x, width, align } of cells) {
        doc.rect(x, y, width, height).lineWidth(0.6).stroke()
        const box = { x: x + padding, y: y + padding, width: width - 2 * padding }
        put(text, { ...style, align: style.align ?? align }, box)
      }
      doc.y = y + height
    }
    const titles = columns.map(({ title }) => title)
    const head: Style = { font: 'bold', size, align: 'center' }
    if (titles.some((title) => title !== '')) draw(titles, head)
    for (const row of rows) draw(row, { size })
    doc.y += 10
  }
}

const months = [
  'января',
  'февраля',
  'марта',
  'апреля',
  'мая',
  'июня',
  'июля',
  'августа',
  'сентября',
  'октября',
  'ноября',
  'декабря',
]

/** «24 ноября 2026 г.». */
export function longDate(date: string): string {
  const [year = '', month = '', day = ''] = date.split('-')
  return `${Number(day)} ${months[Number(month) - 1] ?? ''} ${year} г.`
}

/** «24.11.2026 г.». */
export const shortDate = (date: string): string => `${printDate(date)} г.`
