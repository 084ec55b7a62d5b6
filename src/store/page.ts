import type { ListQuery } from '../domain/query.js';
import { type ColumnMap, orderOf, whereOf } from './where.js';

/** The methods of a Prisma table that a list needs. */
interface Table {
  // biome-ignore lint/suspicious/noExplicitAny: each table has its own types, and a page works for all
  count(args: any): Promise<number>;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  findMany(args: any): Promise<any[]>;
}

/**
 * A page of what a query asks for, and how many there are in all.
 *
 * @param scope the rows that the actor may see
 * @param include what of other tables comes with each row
 * @param rowOf makes of a row what the repository gives
 */
export async function pageOf<Row>(
  table: Table,
  scope: object,
  query: ListQuery,
  columns: ColumnMap,
  include?: object,
  // biome-ignore lint/suspicious/noExplicitAny: as above
  rowOf: (row: any) => Row = (row) => row,
): Promise<{ total: number; objects: Row[] }> {
  const where = { ...scope, ...(query.filters.length > 0 ? whereOf(query.filters, columns) : {}) };
  const rows = await table.findMany({
    where,
    ...(include === undefined ? {} : { include }),
    orderBy: orderOf(query.order, columns),
    skip: query.offset,
    take: query.limit,
  });
  const objects = rows.map(rowOf);
  // A first page that is not full already gives the total.
  const isAll = query.offset === 0 && objects.length < query.limit;
  return { total: isAll ? objects.length : await table.count({ where }), objects };
}

/** The condition for an owner's rows; null is everybody's. */
export const ownedBy = (ownerId: number | null) => (ownerId === null ? {} : { ownerId });
