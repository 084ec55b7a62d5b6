export async function demo(_out: NodeJS.WritableStream): Promise<void> {}
