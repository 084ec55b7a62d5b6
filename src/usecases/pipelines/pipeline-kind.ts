import type { Actor } from '../actor.js';

/** What pipelines of one type do in their own way. */
export interface PipelineKind<D> {
  /** The document, or an error that says all that is wrong with it. */
  checked(actor: Actor, body: unknown): Promise<D>;
  /** The UUID of one that does not say it. */
  newUuid(document: D): string;
}
