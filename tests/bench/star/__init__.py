"""The seven models of the peers' dbt project (peers/dbt_star) as tables of ours, on plain Delta inputs."""
