import { parseArgs } from 'node:util';

/** The options of `npm run bench -- …`. */
export interface Options {
  only: string[];
  quick: boolean;
  install: boolean;
  json: string | undefined;
  markdown: string | undefined;
}

export const usage = `Usage: npm run bench -- [options]

  --only ROW        measure this row only (may be repeated)
  --quick           short runs, only to check that everything works
  --install         install missing peers with apt-get (as root; the default in CI)
  --json FILE       write the figures as JSON
  --markdown FILE   write the table as Markdown
  --help            this text
`;

/** Reads the arguments. Throws a helpful message if one is wrong. `rows` are the known names. */
export function readOptions(args: string[], rows: string[]): Options | 'help' {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string', multiple: true, default: [] },
      quick: { type: 'boolean', default: false },
      install: { type: 'boolean', default: false },
      json: { type: 'string' },
      markdown: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  for (const name of values.only) {
    if (!rows.includes(name)) throw new Error(`There is no row '${name}'. Rows: ${rows.join(', ')}.`);
  }
  const mayInstall = process.getuid?.() === 0;
  if (values.install && !mayInstall) throw new Error('--install needs root, for apt-get.');
  return {
    only: values.only,
    quick: values.quick,
    install: mayInstall && (values.install || Boolean(process.env.CI)),
    json: values.json,
    markdown: values.markdown,
  };
}
