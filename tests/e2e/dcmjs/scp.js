// SPDX-License-Identifier: Apache-2.0
// node scp.js PORT ['{"key":…, "cert":…, "ca":…}']: an archive that takes what dcmjs-dimse knows, and prints one JSON line a
// request. With key, certificate and authority it speaks TLS, and callers must show a certificate.
'use strict';
const fs = require('fs');
const { Server, Scp, responses, constants, log } = require('dcmjs-dimse');
log.setLevel('silent');
const { PresentationContextResult, Status, TransferSyntax } = constants;

class Archive extends Scp {
  associationRequested(association) {
    this.association = association;
    for (const { id } of association.getPresentationContexts()) {
      const context = association.getPresentationContext(id);
      const syntaxes = context.getTransferSyntaxUids();
      const wanted = [TransferSyntax.ImplicitVRLittleEndian, TransferSyntax.ExplicitVRLittleEndian].find((s) => syntaxes.includes(s));
      if (wanted) {
        context.setResult(PresentationContextResult.Accept, wanted);
      } else {
        context.setResult(PresentationContextResult.RejectTransferSyntaxesNotSupported);
      }
    }
    this.sendAssociationAccept();
  }

  say(what, request) {
    const data = request.getDataset && request.getDataset();
    console.log(JSON.stringify({ did: what, data: data ? data.getElements() : null }));
  }

  cEchoRequest(request, callback) {
    this.say('echo', request);
    const response = responses.CEchoResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  }

  cStoreRequest(request, callback) {
    this.say('store', request);
    const response = responses.CStoreResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  }

  nCreateRequest(request, callback) {
    this.say('create', request);
    const response = responses.NCreateResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  }

  nSetRequest(request, callback) {
    this.say('set', request);
    const response = responses.NSetResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  }

  nActionRequest(request, callback) {
    this.say('action', request);
    const response = responses.NActionResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  }

  associationReleaseRequested() {
    this.sendAssociationReleaseResponse();
  }
}

const server = new Server(Archive);
server.on('networkError', () => {});
const files = process.argv[3] && JSON.parse(process.argv[3]);
const tls = files && {
  key: fs.readFileSync(files.key), cert: fs.readFileSync(files.cert), ca: fs.readFileSync(files.ca),
  requestCert: true, rejectUnauthorized: true,
};
server.listen(Number(process.argv[2]), tls ? { securityOptions: tls } : {});
