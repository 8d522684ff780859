import { printDate } from '#protocol/fields/dates.ts'
import type { Signature, Stamp } from '#protocol/fields/signature.ts'
import type { Page } from './page.ts'
import { appendix, contactLabels, stampLabel } from '#protocol/form-wording.ts'

/** Parts that several forms have. */

export function appendixBlock(page: Page, number: number): void {
  page.sides(
    () => undefined,
    (x, width) => {
      for (const line of appendix(number)) {
        page.put(line, { size: 10 }, { x, y: page.doc.y, width })
      }
    },
  )
}

export type Registered = { number?: string; incoming?: { no: string; date: string } }

/** Left the stamp, right to whom. */
export function headBlock(
  page: Page,
  given: { stamp: Stamp; addressee: string; form: Registered },
): void {
  const { stamp, addressee, form } = given
  page.sides(
    (x, width) => {
      const top = page.doc.y
      page.space(4)
      for (const line of stampLines(stamp)) {
        const style = { size: 9.5, align: 'center', font: line.font } as const
        page.put(line.text, style, { x: x + 4, y: page.doc.y, width: width - 8 })
      }
      page.space(2)
      page.put(
        stampLabel,
        { size: 8, align: 'center', font: 'italic' },
        { x, y: page.doc.y, width },
      )
      page.space(3)
      page.doc
        .rect(x, top, width, page.doc.y - top)
        .lineWidth(0.6)
        .stroke()
    },
    (x, width) => page.put(addressee, { size: 12 }, { x, y: page.doc.y, width }),
  )
  const said = registration(form)
  if (said !== '') page.text(said, { size: 9.5, font: 'italic' })
}

function registration({ number, incoming }: Registered): string {
  const parts = [
    incoming === undefined ? '' : `Вх. № ${incoming.no} от ${printDate(incoming.date)}`,
    number === undefined ? '' : `Рег. № ${number}`,
  ]
  return parts.filter((part) => part !== '').join('. ')
}

type StampLine = { text: string; font: 'bold' | 'regular' }

function stampLines(stamp: Stamp): StampLine[] {
  if (stamp.kind === 'scan') return [{ text: 'оттиск приложен (скан)', font: 'regular' }]
  const { name, address, ogrn, inn, kpp, outgoingNo, outgoingDate } = stamp
  const codes = [
    ogrn === undefined ? '' : `ОГРН ${ogrn}`,
    inn === undefined ? '' : `ИНН ${inn}`,
    kpp === undefined ? '' : `КПП ${kpp}`,
  ]
  const outgoing =
    outgoingNo === undefined
      ? ''
      : `Исх. № ${outgoingNo}${outgoingDate === undefined ? '' : ` от ${printDate(outgoingDate)}`}`
  const lines = [address, codes.filter((code) => code !== '').join(', '), outgoing]
  return [
    { text: name, font: 'bold' },
    ...lines.filter((text) => text !== '').map((text) => ({ text, font: 'regular' as const })),
  ]
}

export function title(page: Page, text: string): void {
  page.space(8)
  page.text(text, { font: 'bold', size: 13, align: 'center', gap: 10 })
}

/** «ФИО ______ Тел. ______» with the date above. */
export function contactBlock(
  page: Page,
  given: { date: string; name: string; phone: string },
): void {
  page.makeRoom(60)
  page.space(12)
  page.text(given.date, { gap: 12 })
  const { doc, left } = page
  const y = doc.y
  const items = [
    { label: contactLabels.name, value: given.name, x: left, width: 270 },
    { label: contactLabels.phone, value: given.phone, x: left + 285, width: 190 },
  ]
  for (const { label, value, x, width } of items) {
    page.put(label, {}, { x, y, width: 34 })
    page.put(value, {}, { x: x + 36, y, width: width - 36 })
    doc.y = y + 16
    doc
      .moveTo(x + 34, doc.y)
      .lineTo(x + width, doc.y)
      .lineWidth(0.6)
      .stroke()
  }
  doc.y = y + 24
}

export function signatureText(signature: Signature | undefined): string {
  if (signature === undefined) return ''
  if (signature.kind === 'paper') {
    return `оригинал, вх. № ${signature.incomingNo} от ${printDate(signature.date)}`
  }
  return signature.kind === 'scan' ? 'подпись в приложенном скане' : 'УКЭП приложена'
}
