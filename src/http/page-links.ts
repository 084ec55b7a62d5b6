/** Characters of a link up to which commas are written as the older registry wrote them, as `%2C`. */
const longLink = 8000;

interface PageMeta {
  limit: number;
  next: string | null;
  offset: number;
  previous: string | null;
  total_count: number;
}

/** The `meta` of a list that comes as a whole. */
export const wholeMeta = (count: number): PageMeta => ({
  limit: count,
  next: null,
  offset: 0,
  previous: null,
  total_count: count,
});

/** The `meta` of a list page, with Tastypie's arithmetic and its order of query parameters. */
export function pageMeta(
  path: string,
  pairs: readonly (readonly [string, string])[],
  page: { limit: number; offset: number },
  total: number,
): PageMeta {
  const { limit, offset } = page;
  const link = (to: number) => {
    const query = new URLSearchParams();
    for (const [name, value] of pairs) {
      if (name !== 'limit' && name !== 'offset') query.append(name, value);
    }
    query.append('limit', String(limit));
    query.append('offset', String(to));
    const text = query.toString();
    // A list of thousands of ids came in one URL; the links to its neighbours must not be too long for one.
    return `${path}?${text.length > longLink ? text.replaceAll('%2C', ',') : text}`;
  };
  return {
    limit,
    next: offset + limit >= total ? null : link(offset + limit),
    offset,
    previous: offset - limit < 0 ? null : link(offset - limit),
    total_count: total,
  };
}
