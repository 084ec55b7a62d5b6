import { PenstockError } from '../../lib/errors.js';
import type { DefinitionDocument } from '../../lib/generated/process-definition.js';
import type { Store } from '../../store/store.js';
import type { Actor } from '../actor.js';
import type { DefinitionService, FoundDefinition } from './process-definitions.js';

/** Definitions that the installation registers itself, for a dialect whose clients register none. */
export function ownDefinitions(given: {
  store: Store;
  definitions: DefinitionService;
  /** Their owner. */
  owner: () => Promise<Actor>;
}) {
  const { store, definitions } = given;
  /** The id of each definition by name. */
  const registered = new Map<string, number>();

  return {
    /** Registers the document under its name and returns the definition: each change of it is a revision. */
    async register(document: DefinitionDocument): Promise<FoundDefinition> {
      const owner = await given.owner();
      const name = document.name ?? '';
      const id = registered.get(name) ?? (await store.definitions.named(name, owner.id))[0];
      const found = id === undefined ? null : await definitions.find(owner, String(id)).catch(nullIfGone);
      if (found?.row.definition === JSON.stringify(document)) {
        registered.set(name, found.row.id);
        return found;
      }
      const body = { definition: document };
      const [made] =
        (await definitions.resource.apply?.(owner, [
          found === null ? { op: 'create', body } : { op: 'put', id: String(found.row.id), body },
        ])) ?? [];
      registered.set(name, Number(made?.id));
      return definitions.find(owner, String(made?.id));
    },
  };
}

function nullIfGone(error: unknown): null {
  if (error instanceof PenstockError && error.code === 'not-found') return null;
  throw error;
}
