import type { CompletionNode, Values } from './completion-tree.js';

/** The completion script for bash. It needs only bash itself, not the bash-completion package. */
export function bashCompletion(name: string, nodes: readonly CompletionNode[]): string {
  const takesValue = nodes.flatMap(({ path, options }) =>
    options
      .filter(({ values }) => values !== undefined)
      .flatMap(({ flags }) => flags.map((flag) => `${path} ${flag}`)),
  );
  return `# bash completion for ${name}
_${name}() {
  local path=${name} position=0 word index previous='' values=none
  local current=\${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()

  # Which command is this, and which of its arguments? Bash splits --option=value into three words.
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    [[ $word == = ]] && continue
    if [[ $previous != '' ]]; then previous=''; continue; fi
    case "$path $word" in
${patterns(takesValue, 'previous=$word', 6)}
    esac
    [[ $previous != '' || $word == -?* ]] && continue
    case "$path $word" in
${patterns(
  nodes.slice(1).map(({ path }) => path),
  'path="$path $word"; position=0',
  6,
)}
      *) position=$((position + 1)) ;;
    esac
  done
  [[ $current == = ]] && current=''

  local commands='' options=''
  case "$path" in
${nodes.map(caseOf).join('\n')}
  esac

  if [[ $previous != '' ]]; then
    case "$path $previous" in
${nodes.flatMap(optionValues).join('\n')}
    esac
  elif [[ $current == -* ]]; then
    values="words $options"
  elif [[ $commands != '' ]]; then
    values="words $commands"
  else
    case "$path $position" in
${nodes.flatMap(argumentValues).join('\n')}
    esac
  fi

  local IFS=$' \\t\\n' line
  case "$values" in
    files)
      compopt -o filenames 2>/dev/null
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current")
      ;;
    words*)
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -W "\${values#words}" -- "$current")
      ;;
  esac
}
complete -F _${name} ${name}
`;
}

function patterns(words: readonly string[], action: string, indent: number): string {
  if (words.length === 0) return '';
  return `${' '.repeat(indent)}${words.map((word) => `'${word}'`).join(' | ')}) ${action} ;;`;
}

function caseOf({ path, commands, options }: CompletionNode): string {
  const names = commands.map(({ name }) => name).join(' ');
  const flags = options.flatMap((option) => option.flags).join(' ');
  return `    '${path}') commands='${names}' options='${flags}' ;;`;
}

function optionValues({ path, options }: CompletionNode): string[] {
  return options.flatMap(({ flags, values }) =>
    values === undefined || values === 'none'
      ? []
      : [`      ${flags.map((flag) => `'${path} ${flag}'`).join(' | ')}) values='${text(values)}' ;;`],
  );
}

function argumentValues({ path, arguments: all }: CompletionNode): string[] {
  return all.flatMap((values, position) =>
    values === 'none' ? [] : [`      '${path} ${position}') values='${text(values)}' ;;`],
  );
}

function text(values: Values): string {
  // The text goes between single quotes, where only a single quote needs escaping.
  return typeof values === 'string' ? values : `words ${values.words.join(' ')}`.replaceAll("'", "'\\''");
}
