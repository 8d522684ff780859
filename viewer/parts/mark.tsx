import url from '../styles/mark.svg?url'

export const Mark = ({ size }: { size: number }) => (
  <img class="mark" src={url} width={size} height={size} alt="" />
)
