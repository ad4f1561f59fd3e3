# SPDX-License-Identifier: Apache-2.0
"""odil_get.py PORT CALLING CALLED STUDY: a C-GET with odil's library, as its own command for it is broken in Debian 12.

Prints the SOP instance UID of each object that came, and the number of bytes of its pixel data.
"""
import sys

import odil

port, calling, called, study = sys.argv[1:]
model = odil.registry.StudyRootQueryRetrieveInformationModelGet
syntaxes = [odil.registry.ImplicitVRLittleEndian, odil.registry.ExplicitVRLittleEndian]
Context = odil.AssociationParameters.PresentationContext
association = odil.Association()
association.set_peer_host("127.0.0.1")
association.set_peer_port(int(port))
association.update_parameters().set_calling_ae_title(calling).set_called_ae_title(called).set_presentation_contexts([
    Context(1, model, syntaxes, Context.Role.SCU),
    Context(3, odil.registry.CTImageStorage, syntaxes, Context.Role.SCP),
])
association.associate()
query = odil.DataSet()
query.add("QueryRetrieveLevel", ["STUDY"])
query.add("StudyInstanceUID", [study])
get = odil.GetSCU(association)
get.set_affected_sop_class(model)


def store(data_set):
    print(data_set.as_string("SOPInstanceUID")[0].decode(), len(data_set.as_binary("PixelData")[0]), flush=True)


get.get(query, store, lambda message: None)
association.release()
