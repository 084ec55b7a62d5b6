/** The API page, by method, in the original order. */
const listed = {
  GET: [
    ['init', 'The initialisation script'],
    ['config', 'The configuration script'],
    ['run', 'The script that runs the software'],
    ['clean', 'The cleaning script'],
    ['input', 'Names and contents of the files in the input folder; null if there is none'],
    ['output', 'Names and contents of the files in the output folder; null if there is none'],
    ['pnsconfig', 'The configuration of this node'],
  ],
  PUT: [
    [
      'init',
      'Initialise the software: create the input and output folders (401 if they cannot be created for serveruser) and run the init script. Returns its return code and status.',
    ],
    ['config', 'Configure the software: run the config script. Returns its return code and status.'],
    ['pnsconf', 'Replace the configuration of this node until it stops.'],
    [
      'inittest',
      'Link the four scripts to the originals that the node was installed with, and keep what was there as "*.save". testinit does the same.',
    ],
  ],
  POST: [
    ['calc', 'Run the process definition that the configuration names under calc. Without one, returns 0.'],
    ['testcalc', 'Make a test product from the first parameter and the first dataset of the input.'],
    ['echo', 'Return what was sent.'],
    [
      'run',
      'Write the input to files, run the software, and return its output files by name, and its status. sleep/SECONDS only pauses.',
    ],
    ['testrun', 'Run the software on the dataset theName, and return a product with the dataset theAnswer.'],
  ],
  DELETE: [['clean', 'Remove the traces of past runs: run the clean script.']],
} as const;

/** The node's root page: every call with its complete URL. */
export function apiPage(base: string, timestamp: number) {
  const page = Object.entries(listed).map(([method, calls]) => [
    method,
    calls.map(([command, description]) => ({ URL: `${base}/${command}`, description })),
  ]);
  return {
    APIs: Object.fromEntries(page) as Record<string, { URL: string; description: string }[]>,
    timestamp,
  };
}
