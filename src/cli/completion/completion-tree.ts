import type { Argument, Command, Option } from 'commander';

/** What can be completed for a value: fixed words, a file, or nothing. */
export type Values = { words: readonly string[] } | 'files' | 'none';

export interface CompletionOption {
  /** As typed: `-f`, `--follow`. */
  flags: string[];
  about: string;
  /** Undefined for a flag that takes no value. */
  values: Values | undefined;
}

/** One command, and what may follow it. */
export interface CompletionNode {
  /** The words that lead here, joined by spaces: `penstock job logs`. */
  path: string;
  commands: { name: string; about: string }[];
  options: CompletionOption[];
  arguments: Values[];
}

/** Every command of the program, each before its subcommands. Read from commander, so nothing is missing. */
export function completionTree(program: Command): CompletionNode[] {
  const nodes: CompletionNode[] = [];
  const visit = (command: Command, path: string) => {
    const help = command.createHelp();
    const below = help.visibleCommands(command);
    nodes.push({
      path,
      commands: below.map((each) => ({ name: each.name(), about: each.description() })),
      options: help.visibleOptions(command).map(readOption),
      arguments: command.registeredArguments.map((each: Argument) => valuesOf(each.name(), each.argChoices)),
    });
    for (const each of below) visit(each, `${path} ${each.name()}`);
  };
  visit(program, program.name());
  return nodes;
}

function readOption(option: Option): CompletionOption {
  const flags = [option.short, option.long].filter((flag): flag is string => flag !== undefined);
  const takesValue = option.required || option.optional;
  // The flags look like "--input <file>": the word between the brackets is what the value is.
  const name = /[<[]([^\]>.]+)/.exec(option.flags)?.[1] ?? '';
  return {
    flags,
    about: option.description,
    values: takesValue ? valuesOf(name, option.argChoices) : undefined,
  };
}

function valuesOf(name: string, choices: readonly string[] | undefined): Values {
  if (choices !== undefined) return { words: choices };
  return /^(file|dir|folder|path)$/i.test(name) ? 'files' : 'none';
}
