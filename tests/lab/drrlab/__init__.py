"""drrlab: simulated API Connect gateways (DataPower) for the tests of drr-agent."""
