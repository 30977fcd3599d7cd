/** How many bytes flow at a time, unless a format has its own block size. */
export const CHUNK: number = 512 * 1024;
