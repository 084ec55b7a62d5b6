import { pipeConformance } from '../../conformance/pipes.js';

pipeConformance('on this machine');
