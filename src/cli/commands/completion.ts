import { Argument, type Command } from 'commander';
import { bashCompletion } from '../completion/completion-bash.js';
import { completionTree } from '../completion/completion-tree.js';
import { zshCompletion } from '../completion/completion-zsh.js';
import { type CliIo, print } from '../terminal/io.js';

/** `penstock completion …`: generated from the commands themselves. */
export function registerCompletion(program: Command, io: CliIo): void {
  program
    .command('completion')
    .description('print a completion script: source <(penstock completion bash)')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh']))
    .action((shell: string) => {
      const write = shell === 'bash' ? bashCompletion : zshCompletion;
      print(io, write(program.name(), completionTree(program)));
    });
}
