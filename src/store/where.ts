import type { Filter, FilterValue, Order } from '../domain/query.js';

/** From a resource's field name to Prisma's: a column, or a path through a relation such as `owner.username`. */
export type ColumnMap = Readonly<Record<string, string>>;

function condition(filter: Filter): unknown {
  const [first, second] = filter.values;
  switch (filter.lookup) {
    case 'exact':
      return first === null ? null : { equals: first };
    case 'in':
      return { in: filter.values };
    case 'contains':
      return { contains: String(first) };
    case 'startswith':
      // As a range, it can use the column's index.
      return { gte: String(first), lt: `${String(first)}\u{10ffff}` };
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      return { [filter.lookup]: first };
    case 'range':
      return { gte: first, lte: second };
    case 'isnull':
      return first ? null : { not: null };
  }
}

const nest = (path: string, value: unknown): Record<string, unknown> =>
  path.split('.').reduceRight<unknown>((inner, part) => ({ [part]: inner }), value) as Record<
    string,
    unknown
  >;

/** Prisma's `where` for filters that have already been validated. */
export function whereOf(filters: readonly Filter[], columns: ColumnMap): Record<string, unknown> {
  return {
    AND: filters.map((filter) => {
      const path = columns[filter.field] ?? filter.field;
      const wanted = condition(filter);
      const [relation = path, ...beyond] = path.split('.');
      // A null behind a relation means that the relation itself is missing.
      if (beyond.length > 0 && (wanted === null || filter.lookup === 'isnull')) {
        return { [relation]: wanted === null ? null : { isNot: null } };
      }
      return nest(path, wanted);
    }),
  };
}

/** Prisma's `orderBy`; the id decides last, so that pages never overlap. */
export function orderOf(order: readonly Order[], columns: ColumnMap): Record<string, unknown>[] {
  const asked = order.map(({ field, descending }) =>
    nest(columns[field] ?? field, descending ? 'desc' : 'asc'),
  );
  return [...asked, { id: order[0]?.descending ? 'desc' : 'asc' }];
}

/** The values of an `exact` or `in` filter on a field, if it is the only filter on it. */
export function exactValues(filters: readonly Filter[], field: string): FilterValue[] | undefined {
  const mine = filters.filter((filter) => filter.field === field);
  if (mine.length !== 1 || !(mine[0]?.lookup === 'exact' || mine[0]?.lookup === 'in')) return undefined;
  return mine[0].values;
}
