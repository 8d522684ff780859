/** Whether something of this age is of the last so many milliseconds. A clock that was set back makes nothing new. */
export const isWithin = (ageMs: number, ms: number): boolean => ageMs >= 0 && ageMs < ms
