//! What a client of the mesh needs: discovery, leases, subscriptions, identity.
