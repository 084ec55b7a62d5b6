import type { CompletionNode, CompletionOption, Values } from './completion-tree.js';

/**
 * The completion script for zsh. `_arguments` knows options and values; one function per command,
 * as zsh's own completions are written.
 */
export function zshCompletion(name: string, nodes: readonly CompletionNode[]): string {
  const [root] = nodes;
  if (root === undefined) return '';
  return `#compdef ${name}
# zsh completion for ${name}
${nodes.map((node) => functionOf(node)).join('\n')}
# Works in a folder of $fpath, and also with: source <(${name} completion zsh)
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  ${identifier(root.path)} "$@"
else
  compdef ${identifier(root.path)} ${name}
fi
`;
}

function functionOf(node: CompletionNode): string {
  const specs = node.options.flatMap(optionSpecs);
  if (node.commands.length === 0) {
    const positions = node.arguments.map((values, index) => `'${index + 1}:argument:${action(values)}'`);
    return `${identifier(node.path)}() {
  _arguments -s \\
${lines([...specs, ...positions])}
}
`;
  }
  const described = node.commands.map(({ name, about }) => `    '${name}:${quoted(about)}'`).join('\n');
  const branches = node.commands
    .map(({ name }) => `        ${name}) ${identifier(`${node.path} ${name}`)} ;;`)
    .join('\n');
  return `${identifier(node.path)}() {
  local context state state_descr line
  typeset -A opt_args
  local -a commands=(
${described}
  )
  _arguments -C \\
${lines([...specs, "'1: :->command'", "'*:: :->rest'"])}
  case $state in
    command) _describe -t commands command commands ;;
    rest)
      case $line[1] in
${branches}
      esac
      ;;
  esac
}
`;
}

function lines(specs: readonly string[]): string {
  return specs.map((spec) => `    ${spec}`).join(' \\\n');
}

/** `'--state=[about]:value:(A B)'`. The equals sign allows both `--state A` and `--state=A`. */
function optionSpecs({ flags, about, values }: CompletionOption): string[] {
  const exclusive = flags.length > 1 ? `(${flags.join(' ')})` : '';
  return flags.map((flag) => {
    const joined = values === undefined ? '' : flag.startsWith('--') ? '=' : '+';
    const value = values === undefined ? '' : `:value:${action(values)}`;
    return `'${exclusive}${flag}${joined}[${quoted(about).replace(/[[\]]/g, '\\$&')}]${value}'`;
  });
}

function action(values: Values): string {
  if (values === 'files') return '_files';
  if (values === 'none') return ' ';
  const words = values.words.map((word) => word.replace(/[^\w.,/+-]/g, '\\$&'));
  return `(${words.join(' ').replaceAll("'", "'\\''")})`;
}

function identifier(path: string): string {
  return `_${path.replaceAll(' ', '_').replaceAll('-', '_')}`;
}

/** For use between single quotes, where a colon ends a field. */
function quoted(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll("'", "'\\''").replaceAll(':', '\\:');
}
