using {managed} from '@sap/cds/common';

entity orders.Orders {
  key ID         : String(10);
      status     : String(20);
      supplier   : String(40);
      total      : Decimal(15, 2);
      currency   : String(3);
      changedAt  : Timestamp;
      orderedOn  : Date;
      buyer      : String(80);
      items      : Composition of many orders.Items on items.parent = $self;
}

entity orders.Items {
  key parent   : Association to orders.Orders;
  key position : Integer;
      material : String(40);
      quantity : Decimal(13, 3);
}

@path: '/odata/v4/orders'
@requires: 'authenticated-user'
service OrderService {
  @cds.query.limit: {default: 3, max: 3}
  entity Orders as projection on orders.Orders;
  entity Items as projection on orders.Items;
}
