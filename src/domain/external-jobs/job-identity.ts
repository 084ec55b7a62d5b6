import { byCodePoint, pythonJson, pythonList } from './python-text.js';

/** What makes a job that runs elsewhere the same job: it is the same work, whoever asks for it and how often. */
interface Identity {
  pipeline_uuid: string;
  /** Left out and empty are two things, as of old. */
  child_of?: readonly string[];
  /** As `numbersAsWritten` makes it: `1` and `1.0` are different data. */
  data: unknown;
}

/** The text that a job's UUID is computed from (PipelineJobs' identifying fields, in order of their text). */
export function jobIdentity({ pipeline_uuid, child_of, data }: Identity): string {
  const texts = [pipeline_uuid, pythonJson(data)];
  if (child_of !== undefined) texts.push(pythonList(child_of));
  return texts.sort(byCodePoint).join(':');
}

/** The text that a pipeline's UUID is computed from: its name and what it is made of. */
export const pipelineIdentity = (name: string, components: unknown): string =>
  `${name}:${pythonJson(components)}`;
