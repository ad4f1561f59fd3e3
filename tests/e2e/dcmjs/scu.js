// SPDX-License-Identifier: Apache-2.0
// node scu.js '{"port":…, "calling":…, "called":…, "tls":{key,cert,ca}, "requests":[…]}'
// Prints one JSON line for each response, and one {"error":…} if the association fails. Exit 0 if there was a response.
'use strict';
const fs = require('fs');
const { Client, Dataset, requests, log } = require('dcmjs-dimse');
log.setLevel('silent');

const job = JSON.parse(process.argv[2]);
const uids = { mpps: '1.2.840.10008.3.1.2.3.3', commit: '1.2.840.10008.1.20.1', commitInstance: '1.2.840.10008.1.20.1.1' };

function make(r) {
  switch (r.do) {
    case 'echo':
      return new requests.CEchoRequest();
    case 'store':
      return new requests.CStoreRequest(r.file);
    case 'find':
      return requests.CFindRequest.createStudyFindRequest(r.keys);
    case 'worklist':
      return requests.CFindRequest.createWorklistFindRequest(r.keys);
    case 'mpps-create': {
      const request = new requests.NCreateRequest(uids.mpps, r.instance);
      request.setDataset(new Dataset({ PatientID: 'TEST', PerformedProcedureStepStatus: 'IN PROGRESS' }));
      return request;
    }
    case 'mpps-set': {
      const request = new requests.NSetRequest(uids.mpps, r.instance);
      request.setDataset(new Dataset({ PerformedProcedureStepStatus: 'COMPLETED' }));
      return request;
    }
    case 'commit': {
      const request = new requests.NActionRequest(uids.commit, uids.commitInstance, 1);
      request.setDataset(new Dataset({
        TransactionUID: r.transaction,
        ReferencedSOPSequence: [{ ReferencedSOPClassUID: '1.2.840.10008.5.1.4.1.1.2', ReferencedSOPInstanceUID: r.instance }],
      }));
      return request;
    }
    default:
      throw new Error(`no request ${r.do}`);
  }
}

const client = new Client();
let answers = 0;
for (const r of job.requests) {
  const request = make(r);
  request.on('response', (response) => {
    answers++;
    const data = response.getDataset && response.getDataset();
    console.log(JSON.stringify({
      do: r.do, status: response.getStatus(), comment: response.getErrorComment(), data: data ? data.getElements() : null,
    }));
  });
  client.addRequest(request);
}
client.on('associationRejected', (why) => console.log(JSON.stringify({ error: 'rejected', why })));
client.on('networkError', (e) => console.log(JSON.stringify({ error: e.message })));
client.on('closed', () => process.exit(answers > 0 ? 0 : 1));
const tls = job.tls && {
  key: fs.readFileSync(job.tls.key), cert: fs.readFileSync(job.tls.cert), ca: fs.readFileSync(job.tls.ca),
  rejectUnauthorized: true,
};
client.send('127.0.0.1', job.port, job.calling, job.called, tls ? { securityOptions: tls } : {});
