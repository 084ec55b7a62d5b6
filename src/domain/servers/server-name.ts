/** A server's name, of a random UUID. It begins with a letter: Heat takes no other for a stack's. */
export const serverName = (uuid: string): string =>
  uuid.replace(/^\d/, (digit) => 'abcdefabcd'[Number(digit)] ?? digit);
