import type { Actor } from '../actor.js';

/** How pipelines of one type differ. */
export interface PipelineKind<D> {
  /** The document, or an error that lists everything wrong with it. */
  checked(actor: Actor, body: unknown): Promise<D>;
  /** The UUID of a pipeline whose document has none. */
  newUuid(document: D): string;
}
