/** What a decoder needs to know of the frame it gets: the Image Pixel Module (PS3.3 §C.7.6.3). */
export type PixelFormat = {
  rows: number
  columns: number
  samples: number
  bitsAllocated: number
  bitsStored: number
  signed: boolean
  planar: boolean
  photometric: string
}
