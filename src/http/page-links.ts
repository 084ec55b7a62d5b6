/** Links up to this length, in characters, have commas as `%2C`, as in the older registry. */
const longLink = 8000;

interface PageMeta {
  limit: number;
  next: string | null;
  offset: number;
  previous: string | null;
  total_count: number;
}

/** The `meta` of a list without pages. */
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
    // A URL may carry thousands of ids. The links to the pages beside it must not become too long.
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
