import { describe, expect, it } from 'vitest';
import { renderObject, renderTable } from '../../../src/cli/terminal/table.js';

describe('tables', () => {
  it('aligns words to the left and numbers to the right, with no spaces at the end of a line', () => {
    const rows = [
      { id: 3, name: 'tr' },
      { id: 12, name: 'häh 🎉' },
    ];
    expect(
      renderTable(rows, [
        { title: 'ID', value: (row) => row.id, right: true },
        { title: 'NAME', value: (row) => row.name },
        { title: 'NONE', value: () => null },
      ]).split('\n'),
    ).toEqual(['ID  NAME   NONE', ' 3  tr     -', '12  häh 🎉  -']);
  });

  it('prints nothing for no rows', () => {
    expect(renderTable([], [{ title: 'ID', value: () => 1 }])).toBe('');
  });

  it('lets no control character reach the terminal', () => {
    const nasty = '\x1b]0;owned\x07\nline';
    expect(renderTable([nasty], [{ title: 'X', value: (row) => row }]).split('\n')).toEqual([
      'X',
      '\uFFFD]0;owned\uFFFD line',
    ]);
    expect(renderObject({ nasty })).not.toContain('\x1b');
  });
});
