/** Before all tests: what they start is built. */
export async function setup(): Promise<void> {
  const { prepare } = (await import('../../scripts/prepare.mjs' as string)) as {
    prepare: () => Promise<void>;
  };
  await prepare();
}
