/** A server's name, made from a random UUID. It begins with a letter, as Heat requires of a stack's name. */
export const serverName = (uuid: string): string =>
  uuid.replace(/^\d/, (digit) => 'abcdefabcd'[Number(digit)] ?? digit);
