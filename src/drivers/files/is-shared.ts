import { lstat } from 'node:fs/promises';

/**
 * Whether a file is in another place as well, as a hard link: an input may be the output of another job. A program must
 * get a copy of such a file, or it could change the other one.
 */
export const isShared = async (file: string): Promise<boolean> => (await lstat(file)).nlink > 1;
